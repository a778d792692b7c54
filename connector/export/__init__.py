"""From the videos topic to Braze: what a video-ready event becomes, and where it goes."""
