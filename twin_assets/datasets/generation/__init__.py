"""Who writes rows: one module per generator, behind one interface."""
