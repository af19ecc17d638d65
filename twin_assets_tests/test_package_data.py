import configparser
import glob
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_file_that_the_code_reads_beside_it_ships_with_its_package() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    patterns = [pattern.strip() for pattern in config["options.package_data"]["*"].split(",")]
    packages = [
        file.parent for top in ("twin_assets", "resources", "jobs") for file in (ROOT / top).rglob("__init__.py")
    ]
    # As setuptools does it: each pattern in each folder that is a package, and in no other.
    shipped = {
        package / name
        for package in packages
        for pattern in patterns
        for name in glob.glob(pattern, root_dir=package, recursive=True)  # noqa: PTH207  # setuptools' own rule
    }
    data = {
        file
        for top in ("twin_assets", "resources", "jobs")
        for file in (ROOT / top).rglob("*")
        if file.is_file() and file.suffix != ".py" and "__pycache__" not in file.parts
    }

    assert {file.name for file in data} >= {"answers.md", "chatml.jinja", "templates.yaml"}
    assert data <= shipped


def test_the_trainer_image_has_what_the_platform_may_ask_a_gpu_for() -> None:
    """QLoRA, which the estimate proposes, its optimizer, Liger kernels and the load of the GPU; each at one version."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    image = (ROOT / "Dockerfile").read_text().partition(" AS trainer-builder")[2].partition("\nFROM ")[0].split()
    wanted = {"bitsandbytes", "liger-kernel", "nvidia-ml-py"}

    assert {re.split("[<>=]", one)[0] for one in extras["cuda"]} == wanted
    assert wanted <= locked
    assert wanted <= set(image)
    # What a machine without a GPU installs stays as it is, and torch alone says which CUDA and Triton it takes.
    assert not any("cuda" in one for name, all_of_it in extras.items() if name != "cuda" for one in all_of_it)
    assert not {name for name in locked if name.startswith("nvidia-c") or name == "triton"}
