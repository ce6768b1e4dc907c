"""The package's metadata; pyproject.toml holds the build system and the tools' settings."""

from pathlib import Path

from setuptools import find_packages, setup

PLOT = ["matplotlib>=3.9"]
KERAS = ["pyfive>=1.3,<2", "h5py>=3.11"]  # of pyfive, the parts below its interface are used, too
TENSORBOARD = ["tensorboardX>=2.6"]
DOCS = ["mkdocs-material==9.*", "mkdocstrings[python]==1.*"]
TEST = [
    *PLOT,
    *KERAS,
    *TENSORBOARD,
    "pytest>=8.2",
    "pytest-benchmark>=5.1",
    "pytest-cov>=7.0",
    "pytest-xdist>=3.6",
    "hypothesis>=6.100",
    "safetensors>=0.4.3",
    "nbclient>=0.10",
    "ipykernel>=6.29",
    "import-linter>=2.5",
    # Pinned to a series: a new one may format, or complain, differently.
    "ruff==0.17.*",
    "mypy==2.4.*",
]

setup(
    name="minidl",
    version="0.1.0",
    description="A deep learning engine that one person can read: NumPy, hand-written autograd, Numba kernels",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The minidl authors",
    license="MIT",
    license_files=["LICENSE"],
    keywords=["deep learning", "autograd", "neural network", "numpy", "numba", "education"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Education",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    # The explicit root makes an editable install a plain entry in sys.path, which is found even from the folder that
    # holds the clone, where the clone itself would pass for the package.
    package_dir={"": "."},
    packages=find_packages(include=["minidl", "minidl.*"]),
    package_data={"minidl": ["py.typed", "models/imagenet_classes.txt"]},
    entry_points={"console_scripts": ["minidl = minidl.cli:main"]},
    zip_safe=False,
    python_requires=">=3.11",
    install_requires=[
        "numpy>=2.0",  # NEP 50: Python scalars do not widen an array's dtype
        "numba>=0.61",
        "pillow>=10.1",  # load_default(size) draws the font in any size
        "tqdm>=4.66",
    ],
    extras_require={
        "plot": PLOT,
        "keras": KERAS,
        "tensorboard": TENSORBOARD,
        "docs": DOCS,
        "test": TEST,
        "all": [*TEST, *DOCS],
    },
)
