"""Recordings of attempts, and runs that are fed from them.

While an attempt is recorded its agent CLI speaks to models, and to MCP servers that are reached by HTTP, through
`recorder`, which passes everything on and writes it down (`tape`; `bodies` and `telling` say what of it). `taping` is
what a run knows of that. `again` runs the same CLI once more against `player`, which answers from the recording, and
`verdict` says whether that was the same run.

`normal` says when two requests are the same, `mcp` which tool call was answered how, `fork` what is changed where a run
goes on by itself, `trees` whether the files are the same. `wire` and `upstream` are the two sides of HTTP, `routes`
says which address inside stands for which one outside.
"""
