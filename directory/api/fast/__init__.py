"""The look-up beside Django: plain requests are answered by a few lines, an indexed query and a join of bytes.

What is not plain - another method, a bad token, a malformed address, a moment in the past, an answer that is overdue, too many look-ups - is
left to the views of `directory.api.lookups`, which can answer everything. So there is one place for each refusal, in each language.
"""
