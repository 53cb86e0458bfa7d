"""Who is logged in: opaque tokens in cookies, in memory alone, over at once when that must be."""
