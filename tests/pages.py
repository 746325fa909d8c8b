"""What tests of figures share: images that a page carries, read back, and widgets in a browser without a kernel."""

import base64
import json

import cv2
import numpy as np
import torch


def decoded(source):
    """An image of a page as (3, H, W) uint8 RGB, read with an independent call."""
    data = np.frombuffer(base64.b64decode(source.split(",", 1)[1]), np.uint8)
    return torch.from_numpy(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].copy()).permute(2, 0, 1)


def level(source):
    """The grey of an image of a page."""
    return round(decoded(source).float().mean().item())


def state(widget):
    """What a widget takes along into a page."""
    return json.loads(widget.to_html().split('<script type="application/json">')[1].split("</script>")[0])


def opened(page, *widgets, head="", frozen=False):
    """Show widgets of one kind on a page, whose clock can be stopped; returns the element of the first."""
    if frozen:
        page.clock.install(time=0)
        page.clock.pause_at(1000)
    page.set_content(f"<!doctype html><meta charset=utf-8>{head}" + "".join(widget.to_html() for widget in widgets))
    elements = page.locator(f".labkit-{widgets[0].kind}")
    elements.nth(len(widgets) - 1).wait_for()
    page.locator(".labkit-widget[aria-busy=true]").first.wait_for(state="detached")
    return elements.first


PIXELS = "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)"


def scrub(player, page):
    """Move the scrubber by keyboard; the image must change, and change back."""
    scrubber, canvas = player.locator("input[type=range]"), player.locator("canvas").first
    scrubber.focus()
    page.keyboard.press("Home")
    first = canvas.evaluate(PIXELS)
    page.keyboard.press("End")
    page.wait_for_function("input => input.value === input.max", arg=scrubber.element_handle())
    last = canvas.evaluate(PIXELS)
    assert len(first) == len(last) > 1000
    assert first != last
    page.keyboard.press("Home")
    assert canvas.evaluate(PIXELS) == first
