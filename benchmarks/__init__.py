"""What the program has to reach, measured; `python -m benchmarks [NAME…] [--quick]`.

A benchmark is never a test: it reports whether a bound holds and fails only where it could not measure. The machine is
shared, so wherever possible two things are measured in turn within one run and compared.
"""
