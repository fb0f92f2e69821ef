"""Deliveries to the outside, as Standard Webhooks has them: what is sent, how it is signed, how it gets there."""
