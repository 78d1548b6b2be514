#!/usr/bin/env node
import '../dist/cli/tcpcopy.js';
