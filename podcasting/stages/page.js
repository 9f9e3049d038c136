// The page works without this: it seeks in place, shows captions and transcripts, copies the feed's address.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-seek]");
  if (!link) return;
  event.preventDefault();
  const audio = link.closest("article").querySelector("audio");
  audio.currentTime = Number(link.dataset.seek);
  audio.play();
});

document.addEventListener("play", ({ target: audio }) => {
  document.querySelectorAll("audio").forEach((other) => other !== audio && other.pause());
  const track = audio.textTracks[0];
  // A browser reads no captions from a file: address.
  if (!track || track.mode === "hidden" || location.protocol === "file:") return;
  const caption = audio.parentElement.querySelector(".caption");
  track.mode = "hidden";
  track.addEventListener("cuechange", () => {
    caption.hidden = false;
    caption.replaceChildren(...Array.from(track.activeCues, (cue) => cue.getCueAsHTML()));
  });
}, true);

const clock = (seconds) => {
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
};

const paragraphs = (segments) => {
  const turns = [];
  for (const { speaker, startTime, body } of segments) {
    const last = turns.at(-1);
    if (last && last.speaker === speaker) last.words.push(body);
    else turns.push({ speaker, start: startTime, words: [body] });
  }
  return turns.map(({ speaker, start, words }) => {
    const paragraph = document.createElement("p");
    const time = document.createElement("a");
    time.className = "time";
    time.href = "#";
    time.dataset.seek = start;
    time.textContent = clock(start);
    const name = document.createElement("b");
    name.textContent = speaker;
    paragraph.append(time, " ", name, " ", words.join(" "));
    return paragraph;
  });
};

// Nor a transcript: there its links have to do.
if (location.protocol !== "file:") {
  document.querySelectorAll(".transcript").forEach((details) => {
    details.hidden = false;
    details.addEventListener("toggle", async () => {
      const place = details.querySelector("div");
      if (!details.open || place.childElementCount) return;
      const answer = await fetch(details.dataset.src);
      place.replaceChildren(...paragraphs((await answer.json()).segments));
    });
  });
}

const copy = document.getElementById("copy");
if (copy && navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById("feed").href);
    copy.textContent = copy.dataset.copied;
  });
}

// Whoever comes for one episode finds its chapters open.
const open = () => {
  const details = location.hash.length > 1 && document.getElementById(location.hash.slice(1))?.querySelector("details");
  if (details) details.open = true;
};
addEventListener("hashchange", open);
open();
