"""What is shown of results: tables, records, a folder of Markdown."""
