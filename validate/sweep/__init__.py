"""Many settings of one model, judged and compared."""
