// The widget of a notebook: the views of a model over anywidget's channel.
export default { render: () => undefined };
