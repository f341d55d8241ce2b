"""What is remembered of earlier conversations: kept, worked out, and found again."""
