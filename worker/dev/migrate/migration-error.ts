/** Why migrations were refused or failed. The message is a sentence for the person at the terminal. */
export interface MigrationError {
  readonly kind:
    | "folder-unreadable"
    | "folder-invalid"
    | "history-conflict"
    | "argument-invalid"
    | "step-failed"
    | "database-failed";
  readonly message: string;
}
