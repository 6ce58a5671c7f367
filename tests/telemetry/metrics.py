"""Checks that the dashboard and the alert rules name no metric that the server lacks, and prints the metrics for promtool.

`promtool check metrics` reads the earlier text format, in which a counter is declared with its suffix.
"""

import re
import sys

text, *readers = [open(path).read() for path in sys.argv[1:]]
assert text.endswith("# EOF\n"), "the text is cut"
types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "gauge": [""]}
series = {name + suffix for name, kind in types.items() for suffix in suffixes[kind]}
assert 'mcp_server_operation_duration_seconds_count{mcp_method_name="tools/call",gen_ai_tool_name="get_stock_price"} 1' in text, text
for reader in readers:
    named = set(re.findall(r"\b(?:candor|mcp_server)_[a-z_]+\b", reader))
    assert named, "it names metrics"
    assert named <= series, f"the server has no {sorted(named - series)}"

for line in text.splitlines():
    word = line.split(" ")
    if word[0] == "#" and len(word) > 2:
        if word[1] == "UNIT":
            continue
        if types.get(word[2]) == "counter":
            word[2] += "_total"
    elif word == ["#", "EOF"]:
        continue
    print(" ".join(word))
