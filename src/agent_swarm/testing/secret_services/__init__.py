"""Secret managers on loopback: as much of HashiCorp Vault, Google's and AWS's Secret Manager as reading takes.

They check who asks as the real ones do, and refuse as they do; what a test wants to go wrong it tells them beforehand.
Real client libraries talk to them, so they are as strict about paths, headers and signatures as those need.
"""
