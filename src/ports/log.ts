/** Levels by two questions: whom is it for, and how much is affected. See docs/architecture.md, Logging. */
export interface Log {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}
