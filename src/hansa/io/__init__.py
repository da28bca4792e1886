"""The only sockets, disks, clocks and key files of a node (the API's listener aside)."""
