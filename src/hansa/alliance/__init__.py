"""What an alliance is: its description, its members' keys and certificates, its first block.

`model` reads alliance.toml · `authority` makes certificates · `public_part` is what organisations show one another ·
`genesis` builds the first block from public parts alone · `founding` puts the steps together · `files` and `layout`
know the disk.
"""
