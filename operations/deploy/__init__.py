"""``airdate deploy`` and ``airdate outputs``: the templates of ``infrastructure/`` on AWS, by change sets.

``stacks`` knows which there are and in what order, ``parameters`` fills what they ask, ``change_set`` is what would
become of one, ``stack`` carries it out and tells what came of it, ``account`` is whose AWS it is.
"""
