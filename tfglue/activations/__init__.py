"""Hidden states of a frozen encoder, computed once and kept on disk."""
