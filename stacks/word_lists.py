"""256 adjectives and 256 nouns, eight bits each. Their order is part of every name: never add, remove or move a
word."""

# ruff: noqa: SIM905 - 512 quoted words would be a page of quotation marks

ADJECTIVES = tuple(
    """
    able airy alert amber ample apt aqua arctic ardent autumn azure balmy basic bold brave breezy bright brisk
    broad bronze calm candid canny cedar chief chilly civic classic clean clear clever cobalt coral cosmic cozy
    crisp cubic daily dapper daring dawn deep deft dense dewy distant dome dusky eager early earnest easy elder
    elegant ember emerald equal even exact fair fancy fast fern fine firm first fleet floral fluent fond frank
    free fresh frosty gallant gentle giant gilded glad glassy glossy golden good grand granite grassy great
    green hardy hazel hearty hidden high hollow honest humble icy ideal indigo inner iron ivory jade jaunty
    jolly jovial joyful keen kind lapis large late lavish leafy level light lilac limber linen lithe little
    lively local lofty long loyal lucid lucky lunar lush magic main maple marble mellow merry mighty mild mint
    misty modern modest mossy native navy neat nimble noble north novel oaken oceanic olive opal open orange
    outer oval pale paper patient peach pearl placid plain pleasant plucky plum polar polite pond prime proper
    proud pure quaint quartz quick quiet radiant rapid rare ready regal restful rich rising robust rocky rosy
    round royal ruby rural rustic sable safe sage salty sandy satin scarlet serene shady sharp shiny shy silent
    silken silver simple sleek slender slow smart smooth snowy snug social soft solar solid south spare spicy
    spring square stable starry steady steel stoic stout strong subtle summer sunny super supple sure sweet
    swift tall tame teal tender terse tidy timely tiny topaz tough tranquil trim true trusty
    """.split()
)

NOUNS = tuple(
    """
    acorn agate alcove alder anchor anvil apple arbor arch arrow aspen aster atlas atoll aurora badge bamboo
    barn basin bay beach beacon beam bear beech bell bench berry birch bird bloom bluff boat bough boulder
    branch brass bridge brook brush cabin cactus camp canal canoe canyon cape castle cave cello chalk chart
    cherry cliff clock cloud clover coast comet compass cove crane creek crest cricket crow crown curlew current
    dale dam deer delta desert dew dock dolphin door dove drum dune eagle echo eddy elk elm falcon farm feather
    fen ferry field finch fir fjord flame flint flower flute foam forest forge fountain fox frost galaxy garden
    garnet gate geyser glacier glade glen globe goose gorge grain grove gull gulf hamlet harbor hare harp hawk
    heath hedge heron hill hive horizon horn inlet iris island isle ivy jasmine jay jetty juniper kayak kelp
    kettle kite lagoon lake lantern larch lark lawn leaf ledge lily lime linden lion loch lodge loom lotus lynx
    magnet mallow mantle marsh mast meadow mesa meteor mill mirror moon moor moss moth mountain myrtle nest
    nettle oak oasis oat ocean onyx orbit orchard orchid osprey otter owl oyster palm pass path pebble pepper
    perch petal pier pillar pine piper planet plateau plaza plover poplar poppy port prairie prism quail quarry
    quay quill rain ranch raven ravine reed reef ridge river robin rock rook rose rowan sail salmon sand scroll
    seal shell shoal shore sky slope snow sparrow spire spruce star stone stork stream summit sun swallow swan
    thicket thistle tide timber trail
    """.split()
)
