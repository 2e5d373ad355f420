"""COGS with its variable-free form, and GeoQuery in FunQL and SQL."""

from __future__ import annotations

from suite.data.registry import Entry, File

COGS_REVISION = "165a7b669eade971fa47bf568a2e51925360fed8"
COGS_RAW = f"https://raw.githubusercontent.com/najoungkim/COGS/{COGS_REVISION}/data"
RECOGS_REVISION = "1b6eca8ff4dca5fd2fb284a7d470998af5083beb"
RECOGS_RAW = f"https://raw.githubusercontent.com/frankaging/ReCOGS/{RECOGS_REVISION}/variable_free"
COLUMNS = ("sentence", "logical_form", "kind")

COGS_FILES: tuple[tuple[str, str, int, int], ...] = (
    ("dev.tsv", "ab66388a309c7ac1ad210c781a6a0ce12281a9ef24619a12422a752cef61bc21", 522121, 3000),
    ("gen.tsv", "d013d9eee0bafc153f8decc85f42814ac97260f84964d980e1e2b84577b82361", 5532102, 21000),
    ("test.tsv", "68f8e51e9f6d9cd22d64efe68dd21d7ea5ba327e9a2359481030161aea757035", 521111, 3000),
    ("train.tsv", "220b3804b562c0156ee986eff1bdd15c27e52142549362a64f57baf86e304c78", 4146574, 24155),
)
"""File, SHA-256, bytes and rows of its content."""

VARIABLE_FREE: tuple[tuple[str, str, int, int], ...] = (
    ("dev.tsv", "8fe6a76e2a3b0ebf26aff1e899076956c16f87396374a729dad439669b05b429", 310419, 3000),
    ("gen.tsv", "ce0be5c1e70139301b7cc77e6b94e7b23af0ae3db921ce935d2524fe68070159", 3203248, 21000),
    ("test.tsv", "b312353b6f40fcd870dc2c75b70da8ea25bf32134884e9da2c9c98306e17b9d1", 310329, 3000),
    ("train.tsv", "0d8429b2db4c9fd216ce2a80ca6ee20861f331f9d4ce6086b565dcbde7c2791d", 2476525, 24155),
)

COGS = Entry(
    name="cogs",
    summary="Sentences with logical forms; 21 kinds of generalization; also the variable-free form.",
    files=(
        *(
            File(f"{name}.gz", sha256, size, f"{COGS_RAW}/{name}", rows=rows, columns=COLUMNS)
            for name, sha256, size, rows in COGS_FILES
        ),
        File(
            "gen_cases_to_paper_sections.json",
            "d41606ea764176682c26012a98ab73f143b042a57ce4159de8120d69f60921f5",
            2428,
            f"{COGS_RAW}/gen_cases_to_paper_sections.json",
            rows=1,
        ),
        *(
            File(
                f"variable_free__{name}.gz",
                sha256,
                size,
                f"{RECOGS_RAW}/{name}",
                rows=rows,
                columns=COLUMNS,
                origin=f"https://github.com/frankaging/ReCOGS at {RECOGS_REVISION}, variable_free/",
            )
            for name, sha256, size, rows in VARIABLE_FREE
        ),
    ),
    licence="MIT (COGS); MIT (the LICENSE of the ReCOGS repository)",
    citation=(
        "Kim and Linzen, COGS: A Compositional Generalization Challenge Based on Semantic Interpretation, "
        "EMNLP 2020; variable-free form: Qiu et al., Improving Compositional Generalization with Latent "
        "Structure and Data Augmentation, NAACL 2022, as kept by Wu et al., ReCOGS, TACL 2023"
    ),
    source="https://github.com/najoungkim/COGS",
    revision=COGS_REVISION,
    reading="Tab-separated: sentence, logical form, kind of generalization ('in_distribution' but in gen).",
    papers=("compsub",),
)

FUNQL: tuple[tuple[str, str, int, int], ...] = (
    ("funql_dev.jsonl.gz", "d99893a629c99850f6e43df8ed369ea5c0e30314cd3cfb84a597665b8fdbaebd", 8202, 60),
    ("funql_dev_len.jsonl.gz", "91e06f97a9f21d28819fd2fb4f27830e5790fa97991890fa768f35f8128db9ed", 7511, 60),
    (
        "funql_dev_template.jsonl.gz",
        "aaf4ca391be89740e25e7fe58ffe610eab181f70f1546ee30141616f3b9bf410",
        8697,
        60,
    ),
    ("funql_test.jsonl.gz", "3d987138c68ac80236c98cb0ebfaace7e633d53de0d2ee2719912f56820b6e68", 39148, 280),
    (
        "funql_test_len.jsonl.gz",
        "9d657cf570e6c39113933dd6d98e90f8a208509d6f6f4ffad58db84e045ad162",
        47156,
        280,
    ),
    (
        "funql_test_template.jsonl.gz",
        "8155e41ef87867f7223562d63b97e6203afd30681a9261cbed8c93b080ee14cc",
        38668,
        276,
    ),
    ("funql_train.jsonl.gz", "8822cd0eac018428d2670b00cf3878f5f3d50a9d43c44ae7718d53a4ea4c8ccf", 74853, 540),
    (
        "funql_train_len.jsonl.gz",
        "fbf830cb65003890fe3cdcb8d97e87a2acbb9d73e9414682343fe6a0fd36a86b",
        67536,
        540,
    ),
    (
        "funql_train_template.jsonl.gz",
        "842da4ea2acdfcda40944a9a9e56e131c8a1471ae352ab1578cd27d70fc30466",
        74838,
        544,
    ),
)

TYPED: tuple[tuple[str, str, int, int], ...] = (
    ("l2s2_comp_src.test.gz", "46a71545a6c040221783615d847165ed013a92b60776c6092bbd95d857f6c2d8", 11239, 253),
    (
        "l2s2_comp_src.train.gz",
        "70ff5c27ce4011a936c71bcb7b2498a6153ccb049df66a759f9aac9b86ee9763",
        21800,
        519,
    ),
    ("l2s2_comp_src.val.gz", "671acc08f4703da8a9661f23aab27fb0deb033f61818c86800f7f3c65e95c720", 2430, 54),
    ("l2s2_comp_tgt.test.gz", "b7b099dee6ec80aaab499ec3c2955db044311842d7704f14be275e0a533ad9f8", 15622, 253),
    (
        "l2s2_comp_tgt.train.gz",
        "459b694eeda5e118268b7bd4c86fe711b24bb65ab457c0a806a7334ab7e7235c",
        32214,
        519,
    ),
    ("l2s2_comp_tgt.val.gz", "09d60178f386b7cde1025651f59acaff2543243cabdb05ef77fa6605c2b9288d", 3412, 54),
    ("l2s2_iid_src.test.gz", "545a6583c34130858174a92ab2535d49c0dcce395d577fce8ac8103fd15e7b49", 11138, 256),
    ("l2s2_iid_src.train.gz", "ee2f91d60f1dba3b29ae85e73a7a6bdb117012371d115c6686ed934b6c712128", 21977, 513),
    ("l2s2_iid_src.val.gz", "8d53754b4dbb4d23854b9f32b46a44422db93631faf1d6ee0b6892901ad38a4c", 2354, 57),
    ("l2s2_iid_tgt.test.gz", "d87b5723a3922b5a86942c09d1c7f72b877ef39d27ddf8dd90782686518eb18c", 15949, 256),
    ("l2s2_iid_tgt.train.gz", "659febb6a8dd21c61a5d7e98d063a61b3838ddb20ef4c6d781344f0084afd387", 31863, 513),
    ("l2s2_iid_tgt.val.gz", "b3a9b2d52cf55aa9861a41d6972eb2fb4b7810c497394cfda9e1f23b2701a6df", 3436, 57),
)

GEOQUERY = Entry(
    name="geoquery",
    summary="Questions on US geography with programs: FunQL (iid, template, length splits) and SQL.",
    files=(
        *(
            File(
                name,
                sha256,
                size,
                rows=rows,
                origin="https://github.com/SALT-NLP/SUBS at 4f2d7917a247cae6a16799cdb779e25ceaf88763, "
                "datasets/geo/funql",
                licence="none found",
            )
            for name, sha256, size, rows in FUNQL
        ),
        *(
            File(
                name,
                sha256,
                size,
                rows=rows,
                reader="lines",
                origin="https://github.com/Joeylee-rio/Compgen_l2s2 at "
                "637cd7901e895e70cd6099549161ef08da8b2453, the iid and comp splits",
                licence="none found",
            )
            for name, sha256, size, rows in TYPED
        ),
        File(
            "geography_sql.json.gz",
            "b20ad8ed357029c9efa49aa64434729f624591850f66b1137cabcc0e45273c1b",
            306096,
            "https://raw.githubusercontent.com/jkkummerfeld/text2sql-data/"
            "5050bad2309a93636ea4788d3660c9202bf11e0e/data/geography.json",
            rows=246,
            origin="https://github.com/jkkummerfeld/text2sql-data at "
            "5050bad2309a93636ea4788d3660c9202bf11e0e, data/geography.json",
            licence="LICENSE.md there names licences for other folders and none for geography",
        ),
    ),
    licence=(
        "none found in SUBS, Compgen_l2s2 and, for geography, text2sql-data; GeoQuery itself comes from the "
        "University of Texas, no licence text was seen"
    ),
    citation=(
        "Zelle and Mooney, Learning to Parse Database Queries Using Inductive Logic Programming, AAAI 1996; "
        "SQL and its splits: Finegan-Dollak et al., Improving Text-to-SQL Evaluation Methodology, ACL 2018"
    ),
    source="https://github.com/SALT-NLP/SUBS",
    revision="4f2d7917a247cae6a16799cdb779e25ceaf88763",
    reading=(
        "funql_*: JSON lines with question and program. l2s2_*: one sentence (src) or program (tgt) a line, "
        "the same line numbers. geography_sql.json: a list of queries with their sentences."
    ),
    derived=(
        "funql_*.jsonl: every row of datasets/geo/funql/{train,dev,test}{,_len,_template}.json of SUBS, its "
        "question and program written as one JSON object a line, in order. l2s2_*: the src and tgt files of "
        "the iid and comp splits of Compgen_l2s2 as they are, gzip only; their path there was not noted."
    ),
    papers=("compsub",),
)
