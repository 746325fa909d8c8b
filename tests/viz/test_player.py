import pytest
import torch
from pages import decoded

from labkit.viz.player import ClipPlayer, Layer, Panel

WORDS = {"title": "Noise", "alt": "Grey noise."}


@pytest.fixture
def clip():
    """5 frames of 6 x 8 pixels, every value different from its neighbours."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (5, 3, 6, 8), dtype=torch.uint8, generator=generator)


def layer_of(widget, layer=0):
    return widget.scene["panels"][0]["layers"][layer]


def frames_of(widget, layer=0):
    return torch.stack([decoded(uri) for uri in layer_of(widget, layer)["frames"]])


def test_bytes_floats_and_arrays_keep_every_pixel_and_grey_stays_grey(clip):
    layers = {"image": clip, "float": clip.float() / 255, "array": clip.numpy(), "magnitude": clip[:, :1]}
    widget = ClipPlayer(layers, **WORDS)
    assert all(torch.equal(frames_of(widget, layer), clip) for layer in range(3))
    assert torch.equal(frames_of(widget, 3), clip[:, :1].expand(-1, 3, -1, -1))
    assert repr(widget) == "ClipPlayer('Noise')"


def test_a_quality_makes_a_grainy_clip_smaller_and_keeps_it_close():
    grain = torch.randint(0, 8, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    clip = grain + torch.arange(64, dtype=torch.uint8) * 3
    exact, lossy = ClipPlayer({"image": clip}, **WORDS), ClipPlayer({"image": clip}, **WORDS, quality=80)
    assert layer_of(lossy)["frames"][0].startswith("data:image/webp;base64,")
    assert sum(map(len, layer_of(lossy)["frames"])) < sum(map(len, layer_of(exact)["frames"]))
    assert 0 < (frames_of(lossy).float() - frames_of(exact).float()).abs().max() < 16


def test_the_scene_holds_sizes_texts_key_and_tracks(clip):
    tracks = torch.arange(20.0).reshape(2, 5, 2)
    layer = Layer(clip, "what the colours mean", "what is seen", key=clip[0, :, :2, :2], tracks=tracks)
    widget = ClipPlayer(Panel("left", {"image": layer}, labels="abcde"), fps=4, start=2, **WORDS)
    panel = widget.scene["panels"][0]
    assert (panel["title"], panel["labels"], panel["height"], panel["width"]) == ("left", list("abcde"), 6, 8)
    assert (widget.scene["fps"], widget.scene["length"], widget.frame) == (4, 5, 2)
    shown = panel["layers"][0]
    assert (shown["name"], shown["caption"], shown["alt"]) == ("image", "what the colours mean", "what is seen")
    assert shown["tracks"] == tracks.tolist()
    assert torch.equal(decoded(shown["key"]), clip[0, :, :2, :2])


def test_the_switch_offers_the_overlays_of_panels_that_have_a_choice(clip):
    choice = ClipPlayer(Panel("a", {"image": clip, "flow": clip}), Panel("b", {"flow": clip, "heat": clip}), **WORDS)
    assert choice.scene["overlays"] == ["image", "flow", "heat"]
    assert choice.overlay == "image"
    single = ClipPlayer(Panel("a", {"image": clip}), Panel("b", {"flow": clip}), **WORDS)
    assert single.scene["overlays"] == []


def test_what_lives_between_frames_is_one_frame_shorter(clip):
    widget = ClipPlayer({"image": clip, "flow": clip[:-1]}, **WORDS)
    assert widget.scene["length"] == 5
    assert len(layer_of(widget, 1)["frames"]) == 4


def zeros(*shape, dtype=torch.uint8):
    return torch.zeros(shape, dtype=dtype)


@pytest.mark.parametrize(
    ("panels", "error", "message"),
    [
        ([], ValueError, "panels must be at least one"),
        ([zeros(5, 3, 6, 8)], TypeError, r"panel 1 must be a Panel or a mapping; got Tensor: pass \{'image': clip\}"),
        ([{}], ValueError, "panel 1 must have at least one layer"),
        ([{"image": zeros(1, 5, 3, 6, 8)}], ValueError, r"'image' of panel 1 must be \(T, C, H, W\).*one clip"),
        ([Panel("left", {"image": zeros(0, 3, 6, 8)})], ValueError, "'image' of panel 'left' must not be empty"),
        ([{"image": zeros(5, 3, 6, 8, dtype=torch.int64)}], TypeError, "'image' of panel 1 must be uint8 or floating"),
        (
            [{"image": zeros(5, 3, 6, 8), "flow": zeros(3, 3, 6, 8)}],
            ValueError,
            "got 5 in 'image' of panel 1, 3 in 'flow'",
        ),
        ([{"image": zeros(5, 3, 6, 8), "heat": zeros(5, 3, 3, 4)}], ValueError, "one height and width; .*: resize"),
        ([Panel("a", {"image": zeros(5, 3, 6, 8)}, labels=["x"])], ValueError, "labels must be 5; got 1"),
        ([{"image": Layer(zeros(5, 3, 6, 8), tracks=zeros(5, 2))}], ValueError, r"must be \(N, T, 2\)"),
        ([{"image": Layer(zeros(5, 3, 6, 8), tracks=zeros(1, 4, 2))}], ValueError, r"\(N, 5, 2\); got T = 4"),
        (
            [{"image": Layer(zeros(5, 3, 6, 8), tracks=torch.full((1, 5, 2), torch.inf))}],
            ValueError,
            "tracks .* finite",
        ),
        ([{"image": Layer(zeros(5, 3, 6, 8), key=zeros(6, 8))}], ValueError, r"key of 'image' .* \(C, h, w\)"),
    ],
)
def test_a_wrong_clip_is_explained(panels, error, message):
    with pytest.raises(error, match=message):
        ClipPlayer(*panels, **WORDS)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"fps": 0}, "fps must be a finite number greater than 0"),
        ({"start": 5}, "start must be 0 to 4; got 5"),
        ({"quality": 101}, "quality must be 1 to 100 or None; got 101"),
    ],
)
def test_a_wrong_option_is_explained(clip, option, message):
    with pytest.raises(ValueError, match=message):
        ClipPlayer({"image": clip}, **WORDS, **option)


def test_a_clip_of_the_worlds_size_stays_under_the_stated_size():
    """The worst case: noise, which does not compress; the stated size is for drawn images, a tenth of this."""
    noise = torch.randint(0, 256, (16, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert len(ClipPlayer({"a": noise, "b": noise, "c": noise}, **WORDS).to_html()) < 1.4 * noise.numel() * 3
