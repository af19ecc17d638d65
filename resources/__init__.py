"""Resources: the services an asset reads from and writes to, embedded or real by setting.

They know the entities and the settings, never the assets. An asset cannot tell which form it was given.
"""
