"""What tests are made of: conformance suites, fakes that are real, and ways to wait without sleeping."""
