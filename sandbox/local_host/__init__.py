"""A local Azure Functions host: runs the same ``function_app.py`` as Azure does, with HTTP, queues and timers.

It drives Microsoft's own worker library in process, so what the worker refuses or rewrites is refused and rewritten
here; what the host around it does (routes, keys, queue and timer listeners) follows the host's source and documents.
Only what this project's app uses is supported; anything else is refused at the start, not ignored.
"""
