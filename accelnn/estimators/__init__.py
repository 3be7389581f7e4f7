"""Estimators for scikit-learn users; loads scikit-learn."""

from accelnn.estimators.classifier import MLPClassifier as MLPClassifier
from accelnn.estimators.regressor import MLPRegressor as MLPRegressor
