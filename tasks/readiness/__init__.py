"""Whether settings, queues and tables allow the work: what each worker proves before it consumes.

``airdate doctor`` proves the same, and more (``operations/doctor``).
"""
