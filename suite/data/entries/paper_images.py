"""Image sets of the papers, used by the paper profile alone."""

from __future__ import annotations

from suite.data.entries.making import IMAGES_READING, by_hand, from_hub
from suite.data.registry import Entry

MADE = "Every image of the archive with its class, one parquet file a split, encoded bytes unchanged."


def _images(name: str, summary: str, hub: str, splits: str, citation: str, papers: str) -> Entry:
    return from_hub(name, summary, hub, splits, citation, papers, reading=IMAGES_READING)


CLASSIFICATION: tuple[Entry, ...] = (
    _images(
        "cifar100",
        "CIFAR-100, 32 px.",
        "uoft-cs/cifar100",
        "train test",
        "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        "cldyb",
    ),
    _images(
        "imagenet-1k",
        "ImageNet-1k; its terms must be accepted at the hub.",
        "ILSVRC/imagenet-1k",
        "train validation",
        "Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015",
        "vit-editing copra lumos",
    ),
    _images(
        "imagenet-r",
        "ImageNet-R, renditions of 200 classes.",
        "axiong/imagenet-r",
        "test",
        "Hendrycks et al., The Many Faces of Robustness, ICCV 2021",
        "vit-editing cldyb",
    ),
    _images(
        "imagenet-sketch",
        "ImageNet-Sketch, 1,000 classes.",
        "songweig/imagenet_sketch",
        "train",
        "Wang et al., Learning Robust Global Representations by Penalizing Local Predictive Power, "
        "NeurIPS 2019",
        "vit-editing",
    ),
    _images(
        "imagenet-a",
        "ImageNet-A, natural adversarial examples of 200 classes.",
        "barkermrl/imagenet-a",
        "train",
        "Hendrycks et al., Natural Adversarial Examples, CVPR 2021",
        "cldyb",
    ),
    _images(
        "cub-200",
        "Birds, 200 species.",
        "bentrevett/caltech-ucsd-birds-200-2011",
        "train test",
        "Wah et al., The Caltech-UCSD Birds-200-2011 Dataset, 2011",
        "cldyb",
    ),
    _images(
        "caltech101",
        "Objects, 101 classes.",
        "flwrlabs/caltech101",
        "train",
        "Fei-Fei et al., Learning Generative Visual Models from Few Training Examples, CVPR Workshop 2004",
        "copra",
    ),
    _images(
        "oxford-pets",
        "Cats and dogs, 37 breeds.",
        "timm/oxford-iiit-pet",
        "train test",
        "Parkhi et al., Cats and Dogs, CVPR 2012",
        "copra",
    ),
    _images(
        "stanford-cars",
        "Cars, 196 models.",
        "tanganke/stanford_cars",
        "train test",
        "Krause et al., 3D Object Representations for Fine-Grained Categorization, ICCV Workshop 2013",
        "copra cldyb",
    ),
    _images(
        "flowers102",
        "Flowers, 102 species.",
        "nelorth/oxford-flowers",
        "train test",
        "Nilsback and Zisserman, Automated Flower Classification over a Large Number of Classes, ICVGIP 2008",
        "copra",
    ),
    _images(
        "food101",
        "Dishes, 101 classes.",
        "ethz/food101",
        "train validation",
        "Bossard et al., Food-101: Mining Discriminative Components with Random Forests, ECCV 2014",
        "copra cldyb",
    ),
    _images(
        "fgvc-aircraft",
        "Aircraft, 100 variants.",
        "HuggingFaceM4/FGVC-Aircraft",
        "train validation test",
        "Maji et al., Fine-Grained Visual Classification of Aircraft, arXiv 1306.5151, 2013",
        "copra",
    ),
    _images(
        "sun397",
        "Scenes, 397 classes.",
        "tanganke/sun397",
        "train test",
        "Xiao et al., SUN Database: Large-scale Scene Recognition from Abbey to Zoo, CVPR 2010",
        "copra cldyb",
    ),
    _images(
        "dtd",
        "Textures, 47 classes.",
        "tanganke/dtd",
        "train test",
        "Cimpoi et al., Describing Textures in the Wild, CVPR 2014",
        "copra cldyb",
    ),
    _images(
        "eurosat",
        "Satellite images, 10 land uses.",
        "tanganke/eurosat",
        "train test",
        "Helber et al., EuroSAT: A Novel Dataset and Deep Learning Benchmark for Land Use and Land Cover "
        "Classification, JSTARS 2019",
        "copra cldyb",
    ),
    _images(
        "ucf101",
        "Human actions, 101 classes.",
        "flwrlabs/ucf101",
        "train test",
        "Soomro et al., UCF101: A Dataset of 101 Human Actions Classes From Videos in The Wild, arXiv "
        "1212.0402, 2012",
        "copra",
    ),
    _images(
        "resisc45",
        "Remote sensing scenes, 45 classes.",
        "tanganke/resisc45",
        "train test",
        "Cheng et al., Remote Sensing Image Scene Classification: Benchmark and State of the Art, Proc. IEEE "
        "2017",
        "cldyb",
    ),
    _images(
        "gtsrb",
        "German traffic signs, 43 classes.",
        "tanganke/gtsrb",
        "train test",
        "Stallkamp et al., The German Traffic Sign Recognition Benchmark, IJCNN 2011",
        "cldyb",
    ),
    from_hub(
        "svhn",
        "Street View house numbers, cropped digits.",
        "ufldl-stanford/svhn",
        "train test",
        "Netzer et al., Reading Digits in Natural Images with Unsupervised Feature Learning, 2011",
        "cldyb",
        config="cropped_digits",
        reading=IMAGES_READING,
    ),
)

MAMMOTH: tuple[tuple[str, str, str, str], ...] = (
    (
        "cropdisease",
        "Leaves with diseases",
        "seq_cropdisease",
        "Mohanty et al., Using Deep Learning for Image-Based Plant Disease Detection, Frontiers in Plant "
        "Science 2016",
    ),
    (
        "isic",
        "Skin lesions",
        "seq_isic",
        "Codella et al., Skin Lesion Analysis Toward Melanoma Detection, arXiv 1902.03368, 2019",
    ),
    (
        "chestx",
        "Chest X-ray images",
        "seq_chestx",
        "Wang et al., ChestX-ray8: Hospital-scale Chest X-ray Database and Benchmarks, CVPR 2017",
    ),
    ("mit67", "Indoor scenes", "seq_mit67", "Quattoni and Torralba, Recognizing Indoor Scenes, CVPR 2009"),
)
"""Data set, what it shows, the loader that splits it for continual learners, citation."""

BY_HAND: tuple[Entry, ...] = (
    by_hand(
        "omnibenchmark",
        "OmniBenchmark as continual learners split it.",
        "https://github.com/sun-hailong/LAMDA-PILOT",
        "train.parquet test.parquet",
        f"The archive that its README links. {MADE}",
        "Zhang et al., Benchmarking Omni-Vision Representation through the Lens of Visual Realms, ECCV 2022",
        "cldyb",
    ),
    by_hand(
        "objectnet",
        "ObjectNet as continual learners split it.",
        "https://github.com/sun-hailong/LAMDA-PILOT",
        "train.parquet test.parquet",
        f"The archive that its README links. {MADE}",
        "Barbu et al., ObjectNet: A Large-Scale Bias-Controlled Dataset, NeurIPS 2019",
        "cldyb",
    ),
    by_hand(
        "vtab",
        "VTAB as continual learners split it.",
        "https://github.com/sun-hailong/LAMDA-PILOT",
        "train.parquet test.parquet",
        f"The archive that its README links. {MADE}",
        "Zhai et al., A Large-scale Study of Representation Learning with the Visual Task Adaptation "
        "Benchmark, arXiv 1910.04867, 2019",
        "cldyb",
    ),
    *(
        by_hand(
            name,
            f"{summary}; one domain of continual learners' pools.",
            "https://github.com/aimagelab/mammoth",
            "train.parquet test.parquet",
            f"What {module}.py of datasets/ there downloads, split as it splits. {MADE}",
            citation,
            "cldyb",
        )
        for name, summary, module, citation in MAMMOTH
    ),
    by_hand(
        "vit-editing-natural",
        "Failures of a ViT in groups of a true and a predicted class, and sensitive images for locality.",
        "https://github.com/hustyyq/Where-to-Edit",
        "natural.parquet sensitive.parquet",
        "The two archives that its README links (a file-sharing site): natural has image, label and group, "
        "the folder; sensitive has image.",
        "Yang et al., Learning Where to Edit Vision Transformers, NeurIPS 2024",
        "vit-editing",
    ),
    by_hand(
        "vit-editing-shifts",
        "Generated oil paintings and stage light.",
        "https://github.com/MadryLab/dataset-interfaces and https://github.com/facebookresearch/PUG",
        "oil-painting.parquet stage-light.parquet",
        "Generated with dataset-interfaces, and taken from PUG; image, label and group.",
        "Vendrow et al., Dataset Interfaces, arXiv 2302.07865, 2023; Bordes et al., PUG: Photorealistic and "
        "Semantically Controllable Synthetic Data for Representation Learning, NeurIPS 2023",
        "vit-editing",
    ),
    by_hand(
        "coco2014-captions",
        "COCO 2014 validation images with captions: FID of 30,000 and CLIP score.",
        "https://cocodataset.org/#download",
        "validation.parquet",
        "2014 Val images and 2014 Train/Val annotations: image (encoded) and captions (a list) by image id.",
        "Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014; Chen et al., Microsoft COCO "
        "Captions, arXiv 1504.00325, 2015",
        "lumos",
        reading="Parquet: image holds the encoded JPEG bytes, captions a list.",
    ),
    by_hand(
        "geneval",
        "Prompts on objects, counts, colours and positions.",
        "https://github.com/djghosh13/geneval",
        "evaluation_metadata.jsonl",
        "prompts/evaluation_metadata.jsonl of that repository.",
        "Ghosh et al., GenEval: An Object-Focused Framework for Evaluating Text-to-Image Alignment, "
        "NeurIPS 2023",
        "lumos",
        reading="JSON lines.",
    ),
    by_hand(
        "dpg-bench",
        "Long, dense prompts.",
        "https://github.com/TencentQQGYLab/ELLA",
        "prompts.jsonl",
        "The prompt files of dpg_bench/prompts of that repository, one JSON object each with id and prompt.",
        "Hu et al., ELLA: Equip Diffusion Models with LLM for Enhanced Semantic Alignment, arXiv 2403.05135, "
        "2024",
        "lumos",
        reading="JSON lines: id, prompt.",
    ),
)

PAPER_IMAGES = (*CLASSIFICATION, *BY_HAND)
