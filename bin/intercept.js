#!/usr/bin/env node
import '../dist/cli/intercept.js';
