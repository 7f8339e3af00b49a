"""English sentences and paragraphs of many lengths, written for this project: texts to check parity on."""

from __future__ import annotations

from collections.abc import Sequence

from pitome.errors import InputError

SENTENCES = (
    "Yes.",
    "Rain again.",
    "The ferry was late.",
    "Who left the kitchen light on?",
    "Wheat prices fell for the third week.",
    "She closed the umbrella, shook it twice and went inside.",
    "The committee will publish its findings before the end of June.",
    "A good knife needs to be sharpened more often than most people think.",
    "Turn left at the bakery, cross the bridge, and the station is on your right.",
    "The central bank kept its main interest rate at 4.25 per cent, as most analysts had expected.",
    "Nobody in the orchestra had noticed that the second oboe was missing until the slow movement began.",
    "In 1897 the village had two schools, eleven farms and a blacksmith; today it has a filling station.",
    "Quarterly profit rose to 83 million dollars, or 1.12 dollars a share, from 61 million a year "
    "earlier. Sales were little changed.",
    "The recipe asks for six eggs, but four are enough if they are large. Beat them slowly, add the sugar "
    "spoon by spoon, and stop when the mixture turns pale.",
    "Bats do not fly into people's hair. They find their way by calling and listening to the echo, and a "
    "head is a rather large obstacle for an animal that can catch a gnat in the dark.",
    "The new line will have nine stations, four of them under the river. Work is to begin in spring, and "
    "the first trains are to run six years later, although the mayor said that he would believe it when "
    "he saw it.",
    "To replace the battery, unscrew the four bolts on the back, lift the cover from the side with the "
    "hinge, and pull the grey connector straight up. Do not twist it. Put the new battery in with the "
    "label facing you.",
    "Glass is not a slow liquid. Old window panes are thicker at the bottom because they were made "
    "uneven, and glaziers who knew their trade put the heavy edge below. Panes with the thick edge on top "
    "exist as well, and they have not moved in three hundred years.",
    "My grandmother kept bees behind the railway embankment. Every evening, when the express had passed, "
    "she walked along the hives and knocked on each of them with her ring. A full hive answers with a "
    "short, deep hum; a hive without a queen goes on complaining for a long time.",
    "The company said that it had agreed to sell its paper mills to a group of investors for 240 million "
    "in cash and the assumption of 35 million of debt. The sale, which needs the approval of "
    "shareholders, is expected to close in the fourth quarter. The mills employ about 1,900 people in "
    "three countries.",
    "A tide is a very long wave. Its crest passes the open ocean almost unnoticed, half a metre high and "
    "thousands of kilometres long, but where the sea floor rises and the coast narrows like a funnel the "
    "water has nowhere to go. In a few bays it climbs higher than a three-storey house, twice a day, and "
    "leaves the fishing boats sitting on the mud when it is gone.",
    "The experiment was repeated with fresh samples, another operator and the lamp turned off. The signal "
    "stayed. It stayed when the detector was moved to the next room, and when its cable was replaced; it "
    "vanished only on Sundays. On the third Sunday somebody thought of the lift, which is not used at the "
    "weekend, and whose motor stands exactly behind the wall.",
    "Chess players of the first rank remember positions from games they played decades ago, but not "
    "because their memory is better than ours in general. Shown pieces scattered at random, they do no "
    "better than a beginner. What they see on a sensible board are a few familiar groups, a castled king, "
    "a chain of pawns, a bishop on the long diagonal, and a handful of groups is something that anybody "
    "can keep in mind. The same has been found for musicians who read a score, and for electricians who "
    "look at a circuit.",
    "When the lighthouse was automated, the last keeper was allowed to stay until the end of the month. "
    "He cleaned the lens as he had every Friday, wrote the weather into the log, and made a list of what "
    "the next visitor would need to know: that the pump has to be primed by hand after a frost, that the "
    "third step from the top is loose, and that the door must never be opened on the side of the wind. "
    "Then he signed the page, although nobody was going to read it, carried his two suitcases down to the "
    "landing, and waited for the boat. The light came on above him at twenty past six, a little early, "
    "since the sensor took a cloud for the evening. He looked at his watch and shook his head. It had "
    "never been early before.",
)

SENTENCE_PAIRS = tuple(
    (SENTENCES[first], SENTENCES[second])
    for first, second in ((0, 1), (3, 5), (9, 4), (6, 15), (18, 12), (21, 22))
)
"""Pairs of many lengths, as a cross-encoder takes them."""
SHORTEST_PAIR = 8
"""Tokens below which a text has no room for a pair and the tokens around it."""


def long_texts(lengths: Sequence[int], longest: int, most: int) -> tuple[str, ...]:
    """The sentences joined into longer texts, so that what merges in them is not padding alone.

    Every sentence is in one text. There are as many texts as can fill ``longest`` tokens each, but at least
    two, which then have as many tokens as there are.

    Args:
        lengths: tokens of each of ``SENTENCES``, those that begin and end a text not counted.
        longest: tokens that a text may have.
        most: texts that are wanted, at least 2.

    Raises:
        InputError: not one length for each sentence, or fewer than two texts wanted.
    """
    if len(lengths) != len(SENTENCES) or most < 2:
        raise InputError(
            f"{most} texts of {len(SENTENCES)} sentences with {len(lengths)} lengths",
            "an interval needs at least two texts, and every sentence has one length",
            "Ask for 2 texts or more, and give the tokens of each sentence",
        )
    count = max(2, min(most, sum(lengths) // longest))
    texts: list[list[int]] = [[] for _ in range(count)]
    for place in sorted(range(len(lengths)), key=lambda each: -lengths[each]):
        shortest = min(texts, key=lambda text: sum(lengths[each] for each in text))
        shortest.append(place)
    return tuple(" ".join(SENTENCES[place] for place in text) for text in texts)
