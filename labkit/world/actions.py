"""What is going on: the classes of the world, and how an action becomes a stack of parts to paint.

The families are made so that each shows one thing and hides the others:

- *appearance pairs* share a motion and differ in thing and place: flow confuses them, one frame tells them apart;
- *motion only*: same actors, same scenes, nothing in the hands: the motion tells, or a posture to whom it is known;
- *reversed pairs*: the same postures in the opposite order: no bag of frames tells them apart;
- *interactions* of two puppets: not every frame tells;
- *distractors* fill the time between actions in long clips.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labkit.world import meetings, motion, postures, props
from labkit.world.motion import Motion, Pose, Timing
from labkit.world.puppet import HIP_HEIGHT, SIDES, Look, puppet, random_look
from labkit.world.render import Array, Part, transform

Staging = Callable[["Actor"], tuple[str, list[Part]]]
"""Hangs a thing on an actor: the name of the part before which it is painted (``""``: in front of all), its parts."""


@dataclass(frozen=True)
class Actor:
    """A puppet in its motion, for things to hang on.

    Attributes:
        parts: by name.
        place: (T, 3, 3) pose of the spot on the ground where it started.
        pose: its motion.
        side: the hand that does it.
    """

    parts: Mapping[str, Part]
    place: Array
    pose: Pose
    side: str


def in_hand(prop: props.Prop, turn: float = 0.0) -> Staging:
    """In the hand that does it, turned by an angle inwards."""
    return lambda a: (
        f"{a.side} hand",
        prop(a.parts[f"{a.side} hand"].pose @ transform(0, 0, SIDES[a.side] * turn)),
    )


def beside(prop: props.Prop, distance: float) -> Staging:
    """On the ground, at the side of the hand that does it."""
    return lambda a: (_first(a), prop(a.place @ transform(SIDES[a.side] * distance, 0)))


def behind(prop: props.Prop) -> Staging:
    """On the ground, behind the puppet."""
    return lambda a: (_first(a), prop(a.place))


def underfoot(prop: props.Prop) -> Staging:
    """On the ground between the feet, moving along."""
    return lambda a: ("", prop(a.place @ transform(a.pose.x, -0.06)))


def between_hands(prop: props.Prop) -> Staging:
    """On the right hand, +y the direction from the left hand to the right one."""

    def stage(a: Actor) -> tuple[str, list[Part]]:
        left, right = (a.parts[f"{side} hand"].pose for side in SIDES)
        dx, dy = right[:, 0, 2] - left[:, 0, 2], right[:, 1, 2] - left[:, 1, 2]
        size = np.hypot(right[:, 0, 0], right[:, 0, 1])
        return "left hand", prop(transform(right[:, 0, 2], right[:, 1, 2], np.arctan2(-dx, dy), size))

    return stage


def handled(prop: props.Prop) -> Staging:
    """On the way of the thing that the motion handles."""

    def stage(a: Actor) -> tuple[str, list[Part]]:
        if a.pose.object is None:
            raise ValueError("the motion handles no object: take another motion, or hold the thing in a hand")
        x, y = a.pose.object
        return "", prop(a.place @ transform(x, np.asarray(y) - HIP_HEIGHT))

    return stage


def before_body(prop: props.Prop, height: float = 0.0) -> Staging:
    """Before the body, under the hands."""
    return lambda a: ("left hand", prop(a.parts["hips"].pose @ transform(0, 0.14 + height)))


def _first(a: Actor) -> str:
    return next(iter(a.parts))


@dataclass(frozen=True)
class Action:
    """A class of the world.

    Attributes:
        name: of the class.
        motion: how the puppet moves.
        things: what it handles.
        home: the scene it is at home in, if any.
        period: frames per beat, on average.
        side: ``""`` if either hand may do it.
    """

    name: str
    motion: Motion
    things: tuple[Staging, ...] = ()
    home: str | None = None
    period: float = 9.0
    side: str = ""


@dataclass(frozen=True)
class Meeting:
    """A class of two puppets; ``motion`` gives the left one's pose and the right one's."""

    name: str
    motion: Callable[[Timing], tuple[Pose, Pose]]
    home: str | None = None
    period: float = 9.0


_TOOL_TURN = 0.7

ACTIONS: tuple[Action, ...] = (
    # appearance pairs
    Action("hammer", motion.strike, (beside(props.workbench, 1.45), in_hand(props.hammer, _TOOL_TURN)), "workshop"),
    Action("chop", motion.strike, (beside(props.log, 1.45), in_hand(props.axe, _TOOL_TURN)), "forest"),
    Action("guitar", motion.strum, (between_hands(props.guitar),), "stage", 7.0),
    Action("broom", motion.strum, (between_hands(props.broom),), "kitchen", 7.0),
    Action("ski", motion.glide, (underfoot(props.skis),), "snow"),
    Action("skateboard", motion.glide, (underfoot(props.skateboard),), "street"),
    # motion only
    Action("wave", motion.wave, period=8.0),
    Action("clap", motion.clap, period=6.0),
    Action("jump", motion.jump, period=10.0),
    Action("squat", motion.squat, period=10.0),
    Action("walk_left", motion.walk_left),
    Action("walk_right", motion.walk_right),
    # reversed pairs
    Action("sit_down", motion.sit_down, (behind(props.chair),)),
    Action("stand_up", motion.reverse(motion.sit_down), (behind(props.chair),)),
    Action("open_arms", motion.open_arms),
    Action("close_arms", motion.reverse(motion.open_arms)),
    Action("pick_up", motion.pick_up, (handled(props.parcel),)),
    Action("put_down", motion.reverse(motion.pick_up), (handled(props.parcel),)),
)

LOOK_ALIKES = {"hammer": "chop", "chop": "hammer", "guitar": "broom", "broom": "guitar"}
LOOK_ALIKES |= {"ski": "skateboard", "skateboard": "ski"}
"""The other one of each appearance pair: the same motion with another thing, at home elsewhere."""

SECOND_ACTIONS: tuple[Action, ...] = (
    *(action for action in ACTIONS if action.name in ("broom", "clap", "jump", "sit_down", "wave")),
    Action("dribble", motion.dribble, (handled(props.ball),), "gym", 8.0),
    Action("drink", motion.drink, (in_hand(props.cup),)),
    Action("kick", motion.kick, period=8.0),
    Action("march", motion.march, period=9.0),
    Action("sword", motion.slash, (in_hand(props.sword),), period=8.0),
    Action("throw", motion.throw, (handled(props.ball),), "beach"),
    Action("windmill", motion.windmill, period=10.0),
)

INTERACTIONS: tuple[Meeting, ...] = (
    Meeting("handshake", meetings.handshake),
    Meeting("high_five", meetings.high_five),
    Meeting("hug", meetings.hug),
    Meeting("kiss", meetings.kiss),
)

DISTRACTORS: tuple[Action, ...] = (
    Action("idle", motion.idle),
    Action("scratch", motion.scratch),
    Action("look_around", motion.look_around),
    Action("stretch", motion.stretch),
)


def perform(look: Look, place: Array, pose: Pose, things: Sequence[Staging] = (), side: str = "right") -> list[Part]:
    """A puppet in its motion, with the things it handles.

    Args:
        look: its clothes; the gaze is the motion's.
        place: (T, 3, 3) pose of the spot on the ground where it stands; its scale is the puppet's.
        pose: the motion.
        things: what it handles.
        side: the hand that does it.

    Returns:
        All parts, back to front.
    """
    root = place @ transform(pose.x, np.asarray(pose.y) - HIP_HEIGHT)
    parts = puppet(dataclasses.replace(look, gaze=pose.gaze), root, pose.joints)
    actor = Actor({part.name: part for part in parts}, place, pose, side)
    for thing in things:
        before, hung = thing(actor)
        at = next((i for i, part in enumerate(parts) if part.name == before), len(parts))
        parts[at:at] = hung
    return parts


_DOWN = 0.6  # an object held upright in a hanging or raised hand needs no turn; a tool is turned inwards

SOURCE: tuple[Action, ...] = (
    # things, some at home somewhere
    Action("balloon", postures.hold(1.5, 1.2), (in_hand(props.balloon),), "park"),
    Action("ball", postures.hands_at(0.27, -1.84), (before_body(props.ball, -2.15),), "beach"),
    Action("book", postures.hands_at(0.38, -0.5), (before_body(props.book, -0.16),)),
    Action("bucket", postures.hold(0.35, 0.0), (in_hand(props.bucket),), "kitchen"),
    Action("drum", postures.hands_at(0.45, -0.3), (before_body(props.drum),), "stage"),
    Action("fishing", postures.hold(1.0, 0.8), (in_hand(props.rod, -0.2),), "beach"),
    Action("flag", postures.hold(1.9, 0.7), (in_hand(props.flag),), "snow"),
    Action("racket", postures.hold(1.7, 0.9), (in_hand(props.racket, _DOWN),), "park"),
    Action("surfboard", postures.hold(1.25, 0.3), (beside(props.surfboard, 1.15),), "beach"),
    Action("trumpet", postures.hands_at(0.42, -1.22, one=True), (in_hand(props.trumpet, -1.2),), "stage"),
    Action("umbrella", postures.hold(0.9, 1.7), (in_hand(props.umbrella),), "street"),
    # the misleading one: a tool like the hammer's, raised like the hammer's, but out in the wood where one chops
    Action("croquet", motion.strike, (in_hand(props.mallet, _TOOL_TURN),), "forest"),
    # postures
    Action("arms_crossed", postures.hands_at(-0.15, -0.62)),
    Action("arms_up", postures.posture(2.8, 0.1, 2.8, 0.1)),
    Action("balance", postures.balance),
    Action("bend", postures.posture(0.3, 0.1, 2.4, 0.3, lean=0.55, spread=0.32)),
    Action("crouch", postures.hands_at(0.3, -0.3, drop=0.6, spread=0.3)),
    Action("hands_on_head", postures.hands_at(0.3, -1.75)),
    Action("hands_on_hips", postures.hands_at(0.36, -0.1)),
    Action("lunge", postures.lunge),
    Action("point", postures.hold(1.5, 0.0)),
    Action("salute", postures.hands_at(0.42, -1.6, one=True)),
    Action("star", postures.posture(2.1, 0.0, 2.1, 0.0, drop=0.12, spread=0.55)),
    Action("t_pose", postures.posture(1.57, 0.0, 1.57, 0.0)),
)


def somebody(rng: np.random.Generator, place: Array) -> list[Part]:
    """A random puppet in the middle of a random action of the source task; ``place`` as of `perform`."""
    action, frames = SOURCE[rng.integers(len(SOURCE))], len(place)
    phase, side = rng.uniform(0, 2 * math.pi), ("left", "right")[rng.integers(2)]
    pose = action.motion(Timing(frames, np.full(frames, phase), np.full(frames, 0.5), side))
    return perform(random_look(rng), place, pose, action.things, side)
