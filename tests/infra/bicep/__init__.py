"""Bicep without its compiler: the part of the language that ``infra/main.bicep`` is written in.

``syntax`` reads a file, ``arm`` translates it to the JSON that the compiler would make, ``rules`` says what the
compiler would object to, ``evaluate`` what would be deployed, and ``schemas`` holds that to Microsoft's type data. The
real compiler has the last word, on a hosted runner: .github/workflows/infra.yml.
"""
