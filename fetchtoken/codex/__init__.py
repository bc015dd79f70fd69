"""The real Codex CLI: its locks, its file rules, its settings."""
