"""What a host needs of a real insole: the links to it, its clock, its samples in time, and the recording."""
