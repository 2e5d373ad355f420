// Keeps the choice of wrong or right examples in the address, so that a view can be linked.
"use strict";
{
  const radios = [...document.querySelectorAll('input[name="show"]')];
  const asked = new URLSearchParams(location.search).get("show");
  // A browser may restore the choice of an earlier visit; the address decides.
  for (const radio of radios) {
    if (radio.value === (asked ?? "all")) radio.checked = true;
    radio.addEventListener("change", () => {
      const address = new URL(location.href);
      if (radio.value === "all") address.searchParams.delete("show");
      else address.searchParams.set("show", radio.value);
      history.replaceState(null, "", address);
    });
  }
}
