"""SCAN: the published splits and the index files of the MCD splits."""

from __future__ import annotations

from suite.data.registry import Entry, File

SCAN_REVISION = "c4b756cbc010d75c912f16c42c8f15dc6b7e6c8f"
SCAN_RAW = f"https://raw.githubusercontent.com/brendenlake/SCAN/{SCAN_REVISION}"
MCD_ARCHIVE = "https://storage.googleapis.com/cfq_dataset/scan-splits.tar.gz"

SCAN_LINES: tuple[tuple[str, str, int, int], ...] = (
    (
        "add_prim_split__tasks_test_addprim_jump.txt",
        "8147ae2651422c701162e174d9d66158daa57858a26b30317ac61797118ac7a5",
        1531555,
        7706,
    ),
    (
        "add_prim_split__tasks_test_addprim_turn_left.txt",
        "15a82c2d25ac7c3c1fff7e18051fb085974ef3617de895c520d02144396a10e2",
        173679,
        1208,
    ),
    (
        "add_prim_split__tasks_train_addprim_jump.txt",
        "e3c78485692e028eed4205e1b8b3fd0e785ef2c12d45b5b89204dadf5b239e23",
        2579619,
        14670,
    ),
    (
        "add_prim_split__tasks_train_addprim_turn_left.txt",
        "1b3fed86055dd7689d217f1b90cc8960aeb1cf200f4f209dc47935761b05304c",
        3974537,
        21890,
    ),
    (
        "filler_split__tasks_test_filler_num0.txt",
        "a3a27e06adece97da26ae506de08c4b6848035970c561691edbf4dcb1e45f9af",
        333598,
        1173,
    ),
    (
        "filler_split__tasks_test_filler_num1.txt",
        "a3a27e06adece97da26ae506de08c4b6848035970c561691edbf4dcb1e45f9af",
        333598,
        1173,
    ),
    (
        "filler_split__tasks_test_filler_num2.txt",
        "a3a27e06adece97da26ae506de08c4b6848035970c561691edbf4dcb1e45f9af",
        333598,
        1173,
    ),
    (
        "filler_split__tasks_test_filler_num3.txt",
        "a3a27e06adece97da26ae506de08c4b6848035970c561691edbf4dcb1e45f9af",
        333598,
        1173,
    ),
    (
        "filler_split__tasks_train_filler_num0.txt",
        "d5d35d174d557645fc61f289424afa0d95fde21422c59a9819e2d0fcfa9d419f",
        2558693,
        15225,
    ),
    (
        "filler_split__tasks_train_filler_num1.txt",
        "fe2208764e3b873420d31929e137918566b9e49d0052f7be2af68ad129006273",
        2851719,
        16290,
    ),
    (
        "filler_split__tasks_train_filler_num2.txt",
        "732f3663553b2a41a9a37d2f07c9719a4d9d3f2cd190380e572697b2e4ea730f",
        3158377,
        17391,
    ),
    (
        "filler_split__tasks_train_filler_num3.txt",
        "f63ba9149feeb021fbb44132265d7b15e6a07e6b12c9d3220418d97d97d71735",
        3468272,
        18528,
    ),
    (
        "length_split__tasks_test_length.txt",
        "0760752ed34a75116ae11dcc1ee17526b7500060da1366540730fa24894d7db3",
        1356970,
        3920,
    ),
    (
        "length_split__tasks_train_length.txt",
        "b034212dc7cf87ce62f3a067dd6ad49c4d5cd18d51d615d13825516bcb1ebbc2",
        2723418,
        16990,
    ),
    (
        "simple_split__tasks_test_simple.txt",
        "1fe1c8f5a19d0dc40e41bab94278f45f66f3dc415a978bd29855a23440610fc6",
        812450,
        4182,
    ),
    (
        "simple_split__tasks_train_simple.txt",
        "941bb8a088c5f53ceff12fde902dc008933cf0c4203cc672c47b5f79d73262dd",
        3267938,
        16728,
    ),
    ("tasks.txt", "d824c7d9e9149ba497e25f701981dac79954e04bf670d22e5c209f076ac6c89f", 4080388, 20910),
    (
        "template_split__tasks_test_template_around_right.txt",
        "fc78a5d1077dc2c206d6c42ed89fb9022867618c3f331179bafd3ec1ca699474",
        1243177,
        4476,
    ),
    (
        "template_split__tasks_test_template_jump_around_right.txt",
        "a3a27e06adece97da26ae506de08c4b6848035970c561691edbf4dcb1e45f9af",
        333598,
        1173,
    ),
    (
        "template_split__tasks_test_template_opposite_right.txt",
        "e7fc129633f82decd39248517a8945385b77009f721f9f4f58df213f73a29a47",
        871363,
        4476,
    ),
    (
        "template_split__tasks_test_template_right.txt",
        "506bed814f8a6ec1eef9c226eb9b2055bc984925902a94d020a23a41080993bb",
        729823,
        4476,
    ),
    (
        "template_split__tasks_train_template_around_right.txt",
        "d5d35d174d557645fc61f289424afa0d95fde21422c59a9819e2d0fcfa9d419f",
        2558693,
        15225,
    ),
    (
        "template_split__tasks_train_template_jump_around_right.txt",
        "f63ba9149feeb021fbb44132265d7b15e6a07e6b12c9d3220418d97d97d71735",
        3468272,
        18528,
    ),
    (
        "template_split__tasks_train_template_opposite_right.txt",
        "b4fe224a2dd636952a90b7e5552017620ab07e0c465db0ee2dddfb0f727feeb6",
        2990057,
        15225,
    ),
    (
        "template_split__tasks_train_template_right.txt",
        "a09e125dc95c59843d087fd50852c57bc4e77997e2cd69aa04a9a934eea9089b",
        3173282,
        15225,
    ),
)
"""Published file with "/" written "__", SHA-256, bytes and lines of its content."""

MCD_INDEX: tuple[tuple[str, str | None, int | None], ...] = (
    ("mcd1", "233b65dc603d4544780c48ac1bfb618336e5107897b61097acc14dbd6ca26a9c", 67710),
    ("mcd2", "1ba591b2c3c1eb305584d49fde14aced3589099611a668ba28bb696f2dd34e0a", 67703),
    # Nobody who wrote this list had the file of mcd3, so there is no checksum to hold a download against.
    ("mcd3", None, None),
)

SCAN = Entry(
    name="scan",
    summary="Commands with their actions: 20,910 pairs, the published splits, and MCD index files.",
    files=(
        *(
            File(f"{name}.gz", sha256, size, f"{SCAN_RAW}/{name.replace('__', '/')}", rows=rows)
            for name, sha256, size, rows in SCAN_LINES
        ),
        *(
            File(f"mcd/{name}.json", sha256, size, MCD_ARCHIVE, member=f"scan-splits/{name}.json", rows=1)
            for name, sha256, size in MCD_INDEX
        ),
    ),
    licence="BSD (the repository's LICENSE); MCD index files: CC BY 4.0 (the CFQ release)",
    citation=(
        "Lake and Baroni, Generalization without Systematicity, ICML 2018; MCD: Keysers et al., "
        "Measuring Compositional Generalization, ICLR 2020"
    ),
    source="https://github.com/brendenlake/SCAN",
    revision=SCAN_REVISION,
    hub="scan",
    reading=(
        "Lines 'IN: command OUT: actions', gzip. mcd/*.json: trainIdxs, devIdxs and testIdxs, 0-based line "
        "numbers of tasks.txt."
    ),
    papers=("compsub",),
)
