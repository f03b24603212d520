"""Networks in torch.nn, written from their papers by someone who had not read the builders."""
