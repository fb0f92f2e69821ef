"""What the operations do, by subject: each is decided by the domain on the rows of its batch."""
