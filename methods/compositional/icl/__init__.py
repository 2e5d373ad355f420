"""LCS-ICL: demonstrations for a frozen language model, chosen, made and weighted from training lines alone.

The paper says that substituting components also builds demonstrations; its text on how was not at hand and
no code is released. Everything here is a reconstruction from the definitions of CompSub and LCS:

    retrieval       stage 1: seeds for a query, by BM25, edit distance or coverage of its words and bigrams
    demonstrations  stage 2: components of the query put into the seeds ("CompSub-ICL")
    weighting       stage 3: harder demonstrations are drawn more often ("LCS-ICL")
    prompt          the text that a reader gets, and that its answer is cut from
    readers, probe  who reads it: a causal language model, or a deterministic probe of the demonstrations
    learner         the competitor

No stage sees the query's output: a competitor is given the inputs of the test only.
"""
