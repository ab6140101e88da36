"""Moving in from elsewhere: exports of other products in, a configuration document and a report out.

Pure: an importer is a function from what files hold to `Moved`. Nothing here talks to anybody; the plan, the question
and the deed are those of `tocsin apply`.
"""
