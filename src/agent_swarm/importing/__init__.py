"""Data of other systems, taken over: read without touching it, judged row by row, written whole or not at all.

`desplega/` and `plugin/` read one system each and make `foreign.Foreign` of it; `planning` compares that with what is
stored and says what to write; `carrying_out` writes it, and `report` tells people. What has no home here is kept in a
report file, so that nothing is lost silently.
"""
