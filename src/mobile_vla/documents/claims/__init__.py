"""Claims in Markdown: a case, a quantity and a value at a range of the document's bytes."""
