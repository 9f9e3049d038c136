"""What the simulated fleet did, drawn."""

from __future__ import annotations

from matplotlib.axes import Axes

from bench.section import Figures


def backlog_plot(figures: Figures, axes: Axes) -> None:
    """The backlog over the day, a line a size."""
    hours = figures["assumed"]["shown_every_minutes"] / 60
    for podcasts, told in figures["sizes"].items():
        series = told["backlog_over_day"]
        axes.plot(
            [place * hours for place in range(len(series))],
            [max(0.5, each) for each in series],
            label=f"{int(podcasts):,} a day",
            linewidth=1,
        )
    axes.set(yscale="log", xlabel="hour of the day", ylabel="messages that wait", xlim=(0, 24))
    axes.set_xticks(range(0, 25, 3))
    axes.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.12))


def cost_plot(figures: Figures, axes: Axes) -> None:
    """The bill over the size of the fleet."""
    sizes = [int(podcasts) for podcasts in figures["sizes"]]
    for part, title in (("total", "all"), ("fargate", "Fargate"), ("s3", "S3"), ("sqs_and_sns", "SQS and SNS")):
        axes.plot(
            sizes, [told["dollars"][part] for told in figures["sizes"].values()], marker="o", markersize=3, label=title
        )
    axes.set(xscale="log", yscale="log", xlabel="podcasts a day", ylabel="US$ a month")
    axes.legend(frameon=False)


def outage_plot(figures: Figures, axes: Axes) -> None:
    """How the backlog of an outage is worked off."""
    hours = figures["assumed"]["shown_every_minutes"] / 60
    outage = figures["outage"]
    series = {
        "usual day": outage["usual"],
        "outage, claims that double": outage["doubling"]["backlog_over_day"],
        "outage, claims of one length": outage["flat"]["backlog_over_day"],
    }
    for label, values in series.items():
        axes.plot([place * hours for place in range(len(values))], values, label=label, linewidth=1)
    axes.axvspan(outage["began_hour"], outage["began_hour"] + outage["hours"], alpha=0.1, color="black")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set(xlabel="hour of the day", ylabel="messages that wait, copies too", xlim=(outage["began_hour"] - 1, 14))
    axes.legend(frameon=False)
