"""The small CNN of the classic Fashion-MNIST tutorials, as such tutorials write it for PyTorch.

Only the import lines differ from a PyTorch program: `import minigrad as torch`.

python examples/cnn_tutorial.py                5 epochs over 48,000 pictures, 12,000 to validate with
python examples/cnn_tutorial.py --data sample  the same on the sample that comes with minigrad
"""

import argparse
from pathlib import Path

import minigrad as torch
import minigrad.nn as nn
import minigrad.nn.functional as F
import minigrad.optim as optim
from minigrad.data import DataLoader, random_split
from minigrad.vision import datasets, transforms


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)  # 6 x 24 x 24
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 10, 5)  # 10 x 8 x 8
        self.fc1 = nn.Linear(10 * 4 * 4, 56)
        self.fc2 = nn.Linear(56, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        return self.fc2(x)


def train_one_epoch(model, loader, criterion, optimizer):
    """The mean loss over an epoch of training."""
    model.train()
    total = 0.0
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * inputs.size(0)
    return total / len(loader.dataset)


@torch.no_grad()
def evaluate(model, loader, criterion):
    """The mean loss and the share of right answers."""
    model.eval()
    total, correct = 0.0, 0
    for inputs, labels in loader:
        outputs = model(inputs)
        total += criterion(outputs, labels).item() * inputs.size(0)
        correct += (outputs.argmax(1) == labels).sum().item()
    return total / len(loader.dataset), correct / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser(description="Train the tutorial's CNN on Fashion-MNIST.")
    parser.add_argument("--epochs", type=int, default=5, help="default %(default)s")
    parser.add_argument("--data", choices=["full", "sample"], default="full", help="default %(default)s")
    parser.add_argument("--root", help="folder with the data set's files, where they are not in a usual place")
    parser.add_argument("--weights", type=Path, default=Path("runs/cnn_tutorial/best.pt"), help="default %(default)s")
    args = parser.parse_args()
    if args.epochs < 1:
        parser.error("--epochs must be at least 1")
    args.weights.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    if args.data == "sample":
        train_set, test_set = (datasets.FashionMNISTSample(train, transform) for train in (True, False))
    else:
        train_set = datasets.FashionMNIST(args.root, train=True, transform=transform, download=True)
        test_set = datasets.FashionMNIST(args.root, train=False, transform=transform, download=True)
    train_set, val_set = random_split(train_set, [0.8, 0.2])  # 48,000 and 12,000
    train_loader = DataLoader(train_set, batch_size=20, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=20)
    test_loader = DataLoader(test_set, batch_size=20)

    model = Net()
    print(model)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.04)

    best = float("inf")
    for epoch in range(args.epochs):
        train_loss = train_one_epoch(model, train_loader, criterion, optimizer)
        val_loss, val_accuracy = evaluate(model, val_loader, criterion)
        kept = ""
        if val_loss < best:
            best, kept = val_loss, "  kept"
            torch.save(model.state_dict(), args.weights)
        print(f"epoch {epoch + 1}: loss {train_loss:.3f}, validation {val_loss:.3f}, {val_accuracy:.1%}{kept}")

    model.load_state_dict(torch.load(args.weights))
    test_loss, test_accuracy = evaluate(model, test_loader, criterion)
    print(f"test: loss {test_loss:.3f}, {test_accuracy:.1%} right; weights: {args.weights}")

    image, label = test_set[0]
    with torch.no_grad():
        probabilities = F.softmax(model(image.unsqueeze(0)), dim=1)
    confidence, predicted = probabilities.max(dim=1)
    classes = test_set.classes
    print(
        f"the first test picture is taken for: {classes[predicted.item()]} ({confidence.item():.1%}); "
        f"it is: {classes[label]}"
    )


if __name__ == "__main__":
    main()
