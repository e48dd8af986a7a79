"""What the project costs on AWS: before anything is applied, and for each finished run.

    prices       the dated price table of prices.json
    facts        what the project's own files say it uses: the files that Terraform reads
    assumptions  what no file says: how long things take (assumptions.json)
    charges      how states that were visited become lines of a bill
    estimate     a run of each kind and a month, before there is one
    finished     a run that there was
    scale        the same for any number of rows: which limit comes first, which setting moves it
    show         how it looks on a terminal
    document     the section of docs/performance.md

On-demand list prices without free tiers: a small account pays less.
"""
