"""Fine-tuning: the training spec, the chat template, the manifest of a checkpoint, and the assets that use them.

What runs on the training machine lies in `payload/`; how it is launched belongs to the trainer resource.
"""
