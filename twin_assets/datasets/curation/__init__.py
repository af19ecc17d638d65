"""From rows to a dataset: filters, duplicates, split, decontamination, balance, and the audit that guards them."""
